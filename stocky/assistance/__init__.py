"""Assistance: a language model suggests tags, types, part numbers and datasheets; a person accepts or rejects each."""
