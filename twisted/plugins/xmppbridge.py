"""The command `twistd xmppbridge`."""

from twisted.application.service import ServiceMaker

xmppbridge = ServiceMaker("xmppbridge", "bridge.tap", "XMPP gateway to IRC and other networks", "xmppbridge")
