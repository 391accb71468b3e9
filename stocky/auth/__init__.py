"""Authentication and authorization: users, sign-ins, API keys and roles."""
