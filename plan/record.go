package plan

// AppendJSON appends a row as the plan document has it.
func (c *Change) AppendJSON(b []byte) []byte { return c.appendJSON(b) }

// AppendJSON appends an account change as the plan document has it.
func (c *AccountChange) AppendJSON(b []byte) []byte { return c.appendJSON(b) }
