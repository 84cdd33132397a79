"""The go-live checklist of the vendor, item by item (Source: CL)."""
