# What the plan is to be on a console that has nothing yet, and on one that cannot
# hold all of it. No connector is started. Run it:
#
#   rollcall -C examples/console test

test "the first plan of an empty console" {
  directories = { corp = "corp.ldif" }

  expect {
    add        = 7
    inactive   = 0
    rejections = 0

    change "sales@example.com" {
      category = "add"
      type     = "list"
    }
  }
}

# Is there another product, which has no lists? The plan says so, not the apply.
test "a console without lists" {
  directories = { corp = "corp.ldif" }
  facts       = { types = ["user"] }

  expect {
    add = 6

    rejection "sales@example.com" {
      reason = "console_unsupported"
    }
  }
}
