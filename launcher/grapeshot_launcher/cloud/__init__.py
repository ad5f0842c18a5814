"""What stands in AWS: desired as plain data (resources, policy, tags), made so (provision), by one border (aws)."""
