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
  urls          = ["ldap://127.0.0.1"] # more servers of the same data may follow; they are tried in order
  bind_dn       = "cn=reader"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
  insecure      = true # the password may pass without encryption
}

# Addresses in other domains than these are rejected, and each is reported. A domain
# that is another name of one of them goes into its block, as
# aliases = ["example.net"], and has none of its own.
#
# Entries that list an address: 1. Counted below are the addresses.

# 4 addresses; a mail provider's
domain "gmail.com" {
  public = true
  # alias_for = ["elsewhere.example"] # lets its accounts have aliases here
}

# 1 address; only contacts have it, whose mailboxes are elsewhere; declared because none is better
domain "elsewhere.example" {
}

# 1 address; no mail from outside comes to .local
# domain "lab.local" {
# }

scope "everybody" {
  directory = directory.corp
  base_dn   = "dc=lab"
  # filter = "(|(objectClass=user)(objectClass=group))" # default: every entry that lists an address
  alias_attributes   = ["proxyAddresses", "mailLocalAddress"]
  username_attribute = "sAMAccountName"
  # disabled = "inactive" # default: disabled entries keep their accounts
}

# Addresses that no run takes away.
# protected "executives" {
#   addresses = ["ceo@elsewhere.example"]
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
