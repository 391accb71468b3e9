"""Alerts: what someone should look at; never two active ones for one cause."""
