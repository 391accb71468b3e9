"""Notices: messages to people about causes that need attention, each sent once to a channel while it lasts."""
