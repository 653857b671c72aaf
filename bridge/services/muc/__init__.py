"""Rooms of a network as XEP-0045 rooms; `service.Muc` wires the features."""
