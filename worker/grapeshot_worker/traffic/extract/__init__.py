"""Values out of a response: JSONPath, XPath, selectors, regular expressions."""
