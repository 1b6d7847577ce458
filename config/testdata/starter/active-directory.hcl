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
  kind          = "active_directory"
  urls          = ["ldaps://dc1.corp.example.com"] # more servers of the same data may follow; they are tried in order
  bind_dn       = "CORP\\svc-rollcall"
  bind_password = env("ROLLCALL_TEST_PASSWORD")
  ca_file       = "corp-ca.pem"
}

# Addresses in other domains than these are rejected, and each is reported. A domain
# that is another name of one of them goes into its block, as
# aliases = ["example.net"], and has none of its own.
#
# Entries that list an address: 1412. Counted below are the addresses.

# 1390 addresses
domain "example.com" {
}

# 1200 addresses; an internal name of Microsoft 365
# domain "example.onmicrosoft.com" {
# }

# 41 addresses; only contacts have it, whose mailboxes are elsewhere
# domain "customer.example" {
# }

# 17 addresses
domain "example.net" {
}

# 17 addresses; a mail provider's
domain "gmail.com" {
  public = true
  # alias_for = ["example.com"] # lets its accounts have aliases here
}

# 1 address; no mail from outside comes to .local
# domain "corp.local" {
# }

scope "everybody" {
  directory = directory.corp
  base_dn   = "DC=corp,DC=example,DC=com"
  # filter = "(|(objectClass=user)(objectClass=group))" # default: every entry that lists an address
  attributes = { recipient_type = "msExchRecipientTypeDetails" } # a plan then tells when a shared mailbox or a room goes
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
