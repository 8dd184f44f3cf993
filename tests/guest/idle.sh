# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/idle.sh — inside the guest: Linux's own initiator, with the timers that Debian gives it,
# logs in to a volume outside, says IDLE, and does nothing more until the guest is ended.
#
# /idle.conf: initiator, target and portal.
set -e
# shellcheck source=/dev/null
. /idle.conf

ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
# shellcheck disable=SC2154 # of /idle.conf
echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock /var/lib
iscsid -f >/tmp/iscsid 2>&1 &
# No discovery: it would tell the portal as it is named outside
# shellcheck disable=SC2154 # of /idle.conf
iscsiadm -m node -o new -T "$target" -p "$portal" >/tmp/login 2>&1 || { cat /tmp/login; exit 1; }
iscsiadm -m node -T "$target" -p "$portal" --login >/tmp/login 2>&1 || { cat /tmp/login /tmp/iscsid; exit 1; }
echo IDLE
while :; do sleep 60; done
