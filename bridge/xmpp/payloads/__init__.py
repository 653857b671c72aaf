"""Payloads: builders and readers of the elements inside stanzas, one file for each group of XEPs.

Readers are tolerant (what cannot be read is as if absent, unless the docstring says otherwise),
builders strict. Stanzas given to readers carry the namespace ``jabber:component:accept``.
"""
