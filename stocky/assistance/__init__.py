"""Assistance: a language model suggests tags, types, manufacturer's codes and datasheets; a person decides."""
