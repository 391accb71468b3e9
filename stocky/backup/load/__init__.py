"""Loads an untrusted backup into a scratch database and checks it there, before any restore or import uses it."""
