#!/bin/bash
# systemd.sh: the unit that `make install` brings, in a guest that boots with systemd (pure cgroup v2, its default). By hand: some minutes.
#
# A Debian root of this host's suite is made once by mmdebstrap in $GANTRY_DEBIAN (/var/tmp/gantry-debian); the guest's disk is made of it, with gantry
# installed from BUILD (build-test). The guest boots again and again from that disk; what it does in which boot, and what must be true then, is in
# integration/v2/systemd.sh. Needs root, mmdebstrap, qemu-system-x86, linux-image-cloud-amd64 (tests/vm installs the last two).
set -euo pipefail
cd "$(dirname "$0")/.."
BUILD=${BUILD:-$PWD/build-test}
base=${GANTRY_DEBIAN:-/var/tmp/gantry-debian}
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
kernel=$(find /boot -name 'vmlinuz-*cloud-amd64' | sort -V | tail -n 1)
version=${kernel#/boot/vmlinuz-}
T=$(mktemp -d /var/tmp/gantry-systemd.XXXXXX)
trap '[ -n "${KEEP:-}" ] || rm -rf "$T"' EXIT

debian() { # the root, with the libraries that gantry was linked with
	local packages
	packages=$(for p in gantry gantry-image; do ldd "$BUILD/$p"; done | awk '$3 ~ /^\// {print $3}' | sed 's|^/usr||' | sort -u |
		while read -r l; do dpkg -S "$l" "/usr$l" 2>/dev/null || true; done | cut -d: -f1 | sort -u | tr '\n' ,)
	mkdir -p "$base"
	mmdebstrap --quiet --variant=minbase --include="$packages"systemd-sysv,dbus,libpam-systemd,openssh-server,openssh-client,kmod,iproute2,iputils-ping,procps,udev,curl,busybox-static "$suite" "$base/systemd-$suite"
}

disk() {
	local r=$T/root a
	cp -a "$base/systemd-$suite" "$r"
	mkdir -p "$r/lib/modules"
	cp -a "/lib/modules/$version" "$r/lib/modules/"
	make -s -C "$BUILD" install DESTDIR="$r" >/dev/null
	echo guest >"$r/etc/hostname"
	echo 127.0.0.1 localhost guest >"$r/etc/hosts"
	printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$r/etc/systemd/network/all.network"
	# the strict kind: whoever logs out takes the processes of the session with him
	mkdir -p "$r/etc/systemd/logind.conf.d" "$r/var/log/journal" "$r/root/.ssh" "$r/srv/app" "$r/srv/image"/{bin,etc,tmp,proc,sys,dev,data}
	printf '[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n' >"$r/etc/systemd/logind.conf.d/kill.conf"
	ssh-keygen -q -t ed25519 -N '' -f "$r/root/.ssh/id_ed25519"
	cp "$r/root/.ssh/id_ed25519.pub" "$r/root/.ssh/authorized_keys"
	cp tests/integration/v2/systemd.sh "$r/srv/"
	cp /bin/busybox "$r/srv/image/bin/"
	for a in sh sleep cat test httpd ping nslookup touch sync; do ln -s busybox "$r/srv/image/bin/$a"; done
	cat >"$r/etc/systemd/system/boot-test.service" <<-'U'
	[Unit]
	After=network-online.target ssh.service
	[Service]
	Type=simple
	ExecStart=/bin/bash /srv/systemd.sh
	StandardOutput=file:/dev/ttyS0
	StandardError=file:/dev/ttyS0
	[Install]
	WantedBy=multi-user.target
	U
	systemctl --quiet --root "$r" enable boot-test.service systemd-networkd.service systemd-networkd-wait-online.service ssh.service
	systemctl --quiet --root "$r" mask serial-getty@ttyS0.service # it would take the console away from the test
	mke2fs -q -t ext4 -d "$r" "$T/disk" 3G >/dev/null
}

boot() { # NAME: until the guest goes down by itself
	echo "==== boot $1"
	timeout "${LIMIT:-600}" qemu-system-x86_64 -accel tcg,thread=multi -cpu qemu64 -smp 2 -m 1024 -nographic -no-reboot -nic user,model=virtio-net-pci \
		-drive "file=$T/disk,format=raw,if=virtio,cache=unsafe" -kernel "$kernel" -initrd "/boot/initrd.img-$version" \
		-append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off no_timer_check systemd.show_status=0" </dev/null 2>&1 | sed -u 's|\r||g' >"$T/console" ||
		{ tail -n 40 "$T/console"; echo "not ok $1: the guest did not go down"; exit 1; }
	sed -n 's/^SYSTEMD//p' "$T/console"
	grep -q "^SYSTEMD $1: fine" "$T/console" && ! grep -q '^SYSTEMD-FAILED' "$T/console" || { tail -n 60 "$T/console"; echo "not ok $1"; exit 1; }
	echo "ok $1"
}

[ -x "$base/systemd-$suite/lib/systemd/systemd" ] || debian
disk
for b in up again waiting after; do boot $b; done
