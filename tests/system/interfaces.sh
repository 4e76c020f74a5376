# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Network interfaces, for tests/system/inside.

bring_up() { # PID NAME ADDRESS
  nsenter --net="/proc/$1/ns/net" ip addr add "$3" dev "$2"
  nsenter --net="/proc/$1/ns/net" ip link set "$2" up
}

# Two pods, each with an end of a veth that one of them makes: as runtime.json has it, under the unit as it is.
test_interfaces() {
  local name near far
  mkdir -p /etc/podmount/podmountd.conf.d
  printf '[Prepare]\nInterfaces=far0\n' >/etc/podmount/podmountd.conf.d/interfaces.conf
  systemctl reload podmountd.service
  for name in near far; do
    systemd-run --quiet --unit="$name" --property=PrivateNetwork=yes sleep infinity
    mkdir -p "/srv/$name"
    printf '{"ociVersion": "1.0.2", "root": {"path": "/srv/root", "readonly": true}}' >"/srv/$name/config.json"
  done
  echo '{"interfaces": [{"name": "near0", "add": "veth", "peer": "far0"}]}' >/srv/near/runtime.json
  echo '{"interfaces": [{"name": "far0"}]}' >/srv/far/runtime.json
  near=$(systemctl show --value --property=MainPID near.service)
  far=$(systemctl show --value --property=MainPID far.service)
  check 'a pod that makes a veth' within 5 podmountctl create --name near /srv/near
  check 'another one that takes its other end' within 5 podmountctl create --name far /srv/far
  check 'both come to the processes' eval "podmountctl prepare-process near $near && podmountctl prepare-process far $far"
  bring_up "$near" near0 10.7.7.1/24
  bring_up "$far" far0 10.7.7.2/24
  check 'one reaches the other' nsenter --net="/proc/$near/ns/net" busybox ping -c 1 -W 10 10.7.7.2
  check 'the front has no capability' is "$(status_field "$(front_pid)" CapBnd)" 0000000000000000
  check 'the taker is collected' podmountctl gc far
  check 'and what it took is back' ip link show dev far0
  check 'the maker is collected' podmountctl gc near
  check 'with the pair' lacks "$(ip link)" far0
  systemctl stop near.service far.service
}
