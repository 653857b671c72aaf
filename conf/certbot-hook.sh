#!/bin/sh -e
# Certbot's deploy hook: gives the bridge a copy of a new certificate and has it shown, without dropping streams.
#   certbot certonly … --deploy-hook /etc/xmppbridge/certbot-hook.sh
# The files belong to the group ssl-cert, which Debian's package ssl-cert has; elsewhere: groupadd --system ssl-cert

certificates=/etc/xmppbridge/certificates
name=${RENEWED_LINEAGE##*/}

install -d -m 0750 -g ssl-cert "$certificates"
install -m 0640 -g ssl-cert "$RENEWED_LINEAGE/fullchain.pem" "$certificates/$name.crt"
install -m 0640 -g ssl-cert "$RENEWED_LINEAGE/privkey.pem" "$certificates/$name.key"
systemctl try-reload-or-restart xmppbridge
