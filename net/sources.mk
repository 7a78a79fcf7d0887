# net: links, addresses, firewall, DNS. Only netlink.c knows libnl.
noinst_LIBRARIES += libnet.a libdns.a
libnet_a_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
libnet_a_SOURCES = \
	net/addr.c net/addr.h net/conntrack.c net/dns.c net/dns.h net/dns_lookup.c net/dns_lookup.h net/dns_msg.c net/dns_msg.h net/dns_proto.h net/driver.h \
	net/driver_bridge.c net/driver_macvlan.c net/driver_none_host.c net/firewall.c net/firewall.h net/guard.c net/guard.h net/ipam.c net/ipam.h net/lease.c \
	net/link.c net/link.h net/linkname.c net/linkname.h net/nat.c net/nat.h net/netlink.c net/netlink.h net/netns.c net/netns.h \
	net/netopt.c net/netopt.h net/network.c net/network.h net/network_remove.c net/nft.c net/nft.h net/nftexpr.h net/plan.c net/plan.h \
	net/plan_etc.c net/port.c net/port.h net/relay.c net/relay.h net/relay_udp.c net/reserve.c net/reserve.h net/resolv.c net/resolv.h \
	net/resolver.c net/resolver.h net/sandbox.c net/sandbox.h net/sysctl.c net/sysctl.h
# What gantry-dns is made of, beside dns_msg
libdns_a_SOURCES = net/dns_forward.c net/dns_main.c net/dns_main.h net/dns_server.c net/dns_server.h

# net without the engine, for shell tests
check_PROGRAMS += tests/helper/nettest tests/helper/nettool
tests_helper_nettest_SOURCES = tests/helper/nettest.c
tests_helper_nettest_LDADD = libnet.a libstate.a libbase.a $(NL_LIBS) $(SQLITE_LIBS) $(CJSON_LIBS) $(MD_LIBS)
tests_helper_nettool_SOURCES = tests/helper/nettool.c
# runs in containers: static, so without the sanitizers
tests_helper_nettool_CFLAGS = -std=gnu11 -Wall -Wextra
tests_helper_nettool_LDFLAGS = -static

net_tests = tests/unit/test_addr tests/unit/test_ipam tests/unit/test_nat tests/unit/test_port tests/unit/test_resolv tests/unit/test_dns_msg
net_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
net_test_ldadd = libnet.a libbase.a $(NL_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += $(net_tests)
TESTS += $(net_tests)
endif
tests_unit_test_addr_SOURCES = tests/unit/test_addr.c
tests_unit_test_addr_CFLAGS = $(net_test_cflags)
tests_unit_test_addr_LDADD = $(net_test_ldadd)
tests_unit_test_ipam_SOURCES = tests/unit/test_ipam.c
tests_unit_test_ipam_CFLAGS = $(net_test_cflags)
tests_unit_test_ipam_LDADD = $(net_test_ldadd)
tests_unit_test_nat_SOURCES = tests/unit/test_nat.c
tests_unit_test_nat_CFLAGS = $(net_test_cflags)
tests_unit_test_nat_LDADD = $(net_test_ldadd)
tests_unit_test_port_SOURCES = tests/unit/test_port.c
tests_unit_test_port_CFLAGS = $(net_test_cflags)
tests_unit_test_port_LDADD = $(net_test_ldadd)
tests_unit_test_resolv_SOURCES = tests/unit/test_resolv.c
tests_unit_test_resolv_CFLAGS = $(net_test_cflags)
tests_unit_test_resolv_LDADD = $(net_test_ldadd)
tests_unit_test_dns_msg_SOURCES = tests/unit/test_dns_msg.c
tests_unit_test_dns_msg_CFLAGS = $(net_test_cflags)
tests_unit_test_dns_msg_LDADD = $(net_test_ldadd)

fuzz_programs += tests/fuzz/fuzz_dns
tests_fuzz_fuzz_dns_SOURCES = tests/fuzz/fuzz_dns.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_dns_LDADD = libnet.a libbase.a
tests_fuzz_fuzz_dns_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
