"""Settings that admins change at run time; the settings a process needs to start are in the environment."""
