test "who has left gets no account" {
  directories = { hr = "hr.csv" }

  expect {
    add      = 6
    warnings = 0

    change "press@example.com" {
      category    = "add"
      new_primary = "ann.smith@example.com"
    }
  }
}
