"""Is a rule file right? Its expressions parsed, its metrics known, its cases run by promtool."""
