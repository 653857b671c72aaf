-- Prosody: add this to the end of prosody.cfg.lua, then `prosodyctl restart`.
-- A component's port is opened by the whole server; these two are its defaults, and belong above
-- the first VirtualHost if you change them:
--   component_ports = { 5347 }
--   component_interfaces = { "127.0.0.1" }

Component "irc.example.org"
    component_secret = "the secret of xmppbridge.toml"
