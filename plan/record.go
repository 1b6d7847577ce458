package plan

// AppendJSON appends a row as the plan document has it.
func (c *Change) AppendJSON(b []byte) []byte { return c.appendJSON(b) }
