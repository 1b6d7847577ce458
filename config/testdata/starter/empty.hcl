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
  kind = "ldap"
  urls = ["ldaps://ldap.example.org"] # more servers of the same data may follow; they are tried in order
}

# Addresses in other domains than these are rejected, and each is reported. A domain
# that is another name of one of them goes into its block, as
# aliases = ["example.net"], and has none of its own.
#
# Entries that list an address: 0. Counted below are the addresses.

# 0 addresses; an example: write your own domain
# domain "example.com" {
# }

scope "everybody" {
  directory = directory.corp
  base_dn   = "dc=example,dc=org"
  # filter = "(|(objectClass=user)(objectClass=group))" # default: every entry that lists an address
  # disabled = "inactive" # default: disabled entries keep their accounts
}

# Addresses that no run takes away.
# protected "executives" {
#   addresses = ["ceo@example.com"]
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
