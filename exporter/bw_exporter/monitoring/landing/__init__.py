"""Pages for people on the private listener: who is in trouble, why, what to do, and what is in force."""
