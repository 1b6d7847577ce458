# What the first plan is to be, so that a change of rollcall.hcl that breaks it is
# seen before it is merged. Run it:
#
#   rollcall -C examples/quickstart test

test "the first plan" {
  directories = { corp = "corp.ldif", lab = "lab.ldif" }
  accounts    = "rollcall.state.jsonl"

  expect {
    add        = 8
    inactive   = 2
    rejections = 22
    withheld   = 0
    warnings   = 0

    change "maria.rossi@example.com" {
      category         = "primary_change"
      original_primary = "maria.maier@example.com"
    }

    # What is on legal hold stays as it is, whatever the directory says.
    rejection "mateo.silva@example.com" {
      reason = "legal_hold"
      guard  = "case-2026-017"
    }
  }
}

# A company's first plan: no account is there yet, so nobody can lose one.
test "nobody leaves an empty console" {
  directories = { corp = "corp.ldif" }

  expect {
    inactive       = 0
    primary_change = 0
    alias_switch   = 0
    adoption       = 0
  }
}
