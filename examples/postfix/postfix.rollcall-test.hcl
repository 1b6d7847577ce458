# What the plan is to be for tables that are empty, and for those that somebody kept by
# hand. No table is read. Run it:
#
#   rollcall -C examples/postfix test

test "the first plan of empty tables" {
  directories = { corp = "corp.ldif" }

  expect {
    add        = 7
    rejections = 0

    change "sales@example.com" {
      category = "add"
      type     = "list"
    }
  }
}
