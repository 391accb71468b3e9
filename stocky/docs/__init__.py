"""The page that shows the API's description, with everything it loads."""
