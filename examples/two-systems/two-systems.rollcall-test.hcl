test "who came to one system waits" {
  directories = { corp = "corp.ldif", cloud = "cloud.ldif" }
  expect {
    add                  = 2
    prerequisite_missing = 1
    rejection "mateo.silva@example.com" {
      reason = "prerequisite_missing"
      guard  = "in-the-cloud"
    }
  }
}

test "who came to both is added" {
  directories = { corp = "corp.ldif", cloud = "tomorrow.ldif" }
  expect {
    add        = 3
    rejections = 0
  }
}
