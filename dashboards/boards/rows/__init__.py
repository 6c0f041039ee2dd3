"""Rows of panels, a module for each subject; which dashboard shows them is said in the dashboard's own module."""
