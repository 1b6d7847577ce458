# The configuration of rollcall: where entries come from, which mail domains
# are synchronized, and what is left alone. docs/reference/configuration.md explains every
# block and attribute.
#
#   rollcall validate   reports every mistake
#   rollcall doctor     tests the connections
#   rollcall plan       shows what would change, and changes nothing

# The accounts in the state bear the name of their directory: choose it before
# the first apply.
directory "corp" {
  kind          = "ldap"
  urls          = ["ldap://ldap.example.org:3389"] # more servers of the same data may follow; they are tried in order
  start_tls     = true
  bind_dn       = "cn=Directory Manager"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
}

# Addresses in other domains than these are rejected, and each is reported. A domain
# that is another name of one of them goes into its block, as
# aliases = ["example.net"], and has none of its own.
#
# Entries that list an address: 2. Counted below are the addresses.

# 3 addresses
domain "example.org" {
}

scope "everybody" {
  directory = directory.corp
  # base_dn = "dc=example,dc=org"
  # base_dn = "o=other"
  # filter = "(|(objectClass=user)(objectClass=group))" # default: every entry that lists an address
  alias_attributes = ["mailAlternateAddress"]
  guid_attribute   = "nsUniqueId"
  # disabled = "inactive" # default: disabled entries keep their accounts
}

# Addresses that no run takes away.
# protected "executives" {
#   addresses = ["ceo@example.org"]
#   reason    = "never to be lost"
# }

# Accounts that no run touches.
# legal_hold "case-1" {
#   addresses = lines(file("case-1.txt"))
#   reason    = "ordered by counsel"
#   until     = "2030-12-31"
# }

# The brake, for each directory; these are the defaults.
# limits {
#   deactivations         = 500
#   deactivations_percent = 10
# }

# state {
#   path = "rollcall.state.jsonl"
# }
