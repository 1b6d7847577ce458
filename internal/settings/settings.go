// Package settings says what can be configured of a kind of console or of
// directory, and holds what was.
//
// A kind belongs to its adapter: the adapter's folder has a [Kind], with its
// settings, their bounds and the advice for those who get one wrong. The package
// config reads blocks by it, and hands the adapter [Values], which were checked.
// Neither needs to know the other:
//
//	config ──> settings <── adapter
//
// Secrets are texts that do not print, see [Secret]. A message of an adapter
// never repeats what a setting holds, for it may have come from the environment
// or from a file: a [Problem] says what is wrong, and config shows of the value
// what may be shown.
package settings

// Kind is a kind of console or directory, by which the attribute kind of a block
// names it.
type Kind struct {
	Name string
	// Help says in one sentence what it is for.
	Help string
	// Files says that it is files and no server. Of directories, their filters are
	// judged here, and they may be a part of what somebody has.
	Files bool
	// Judged says of directories that are no files that their filters are judged here,
	// nevertheless.
	Judged bool
	// Username is the attribute of the username in a directory; "" is the usual one.
	Username string
	// Attribute returns the name of the attribute that a scope means by a text; nil
	// takes texts as they are.
	Attribute func(text string) string
	// Settings are the attributes of a block of the kind, beside those that all
	// kinds have. Blocks are those inside it.
	Settings []Setting
	Blocks   []Block
	// Check looks for what no setting shows alone; nil for nothing. A setting that
	// could not be read, which is reported already, is written and has no value; of
	// a list, the texts that were wrong are empty.
	Check func(Values) []Problem
	// Initial returns what is wrong with an attribute that accounts of a console are
	// created with, without a place and without its text. Its Summary is "" for nothing;
	// nil takes any.
	Initial func(v Values, name, text string) Problem
	// Where returns what says at which place the kind reads or writes, as files,
	// programs and addresses, in an order of its own, with no secret among it. A
	// saved plan fits no other place. Nil is nowhere in particular.
	Where func(Values) []string
}

// Block is a block inside that of a kind, which stands there once at most.
type Block struct {
	Name     string
	Required bool
	Help     string
	Settings []Setting
}

// Setting is one attribute.
type Setting struct {
	Name string
	Type Type
	// Required settings have to be written. Usual ones, which something else may
	// replace, stand in the block that somebody begins with.
	Required, Usual bool
	// Alone is for [Texts] of which one may stand without the brackets of a list.
	Alone bool
	// Default is what holds where nothing is written, as the getter of the type
	// returns it; nil is its zero value.
	Default any
	// Secret is for a [Text] that nobody may read. Where a file is shown, it is
	// masked by its name, which says that it is a password, a secret, a token or a
	// credential, or because it is a URL with a user in it.
	Secret bool
	// Words are those that a [Text] may be; nil is any text.
	Words []string
	// Least and Most bound a [Number]; a Most of 0 is no bound.
	Least, Most int
	// Check returns what is wrong with a text, which may be empty, or with one of a
	// list: a problem without a place. Its Summary is "" for nothing.
	Check func(text string) Problem
	// Example is how a value is written, and Help a phrase that says what it is, for
	// those who wrote none: ["./connector"], the program and its arguments.
	Example, Help string
}

// Type says what a setting holds, and by which getter of [Values] it is found.
type Type uint8

// The types of settings.
const (
	Text     Type = iota // a text that is not empty
	Texts                // one text or more
	Number               // a whole number
	Flag                 // true or false
	Duration             // a number with its unit, as in "90s" and "2m", above zero
	Any                  // whatever can be written
	Map                  // texts by name
	Path                 // a path, which begins at the folder of the file
)

// Problem is something wrong with a block.
type Problem struct {
	// Setting is what to look at: the name of a setting, that of a block, or
	// "block.setting"; "" for the block as a whole.
	Setting string
	// Part is what of the setting to look at. Item is the index of the value, of a
	// list; Offset and Length are the octets of it that are wrong, where Length is
	// not 0. The hint then speaks of the text, and how quotes ask for it to be
	// written is added.
	Part                 Part
	Item, Offset, Length int
	// Warning is for what may be meant so.
	Warning bool
	// Summary says what is wrong, and names the object. In one about a value, "%s"
	// stands for the value, of which no more is shown than may be. Hint says what
	// to do.
	Summary, Hint string
}

// Part is a part of an attribute.
type Part uint8

// The parts of an attribute.
const (
	Whole Part = iota
	Name
	Value
)
