"""Reads a dump as the hostile input it may be, into a scratch database that is proven before anyone may use it."""
