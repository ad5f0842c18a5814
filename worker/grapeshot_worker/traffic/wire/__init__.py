"""Bytes to and from the target: connections, names, certificates, proxies, and their limits in time."""
