package plan

// ID returns the checksum by which the plan is known, which its document has as
// "checksum".
func (p *Plan) ID() string { return p.checksum() }

// AppendJSON appends a row as the plan document has it.
func (c *Change) AppendJSON(b []byte) []byte { return c.appendJSON(b) }

// AppendJSON appends an account change as the plan document has it.
func (c *AccountChange) AppendJSON(b []byte) []byte { return c.appendJSON(b) }
