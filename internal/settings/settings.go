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
// or from a file: a check says what is wrong, and config what it is about.
package settings

// Kind is a kind of console or directory, by which the attribute kind of a block
// names it.
type Kind struct {
	Name string
	// Help says in one sentence what it is for.
	Help string
	// Settings are the attributes of a block of the kind, beside those that all
	// kinds have. Blocks are those inside it.
	Settings []Setting
	Blocks   []Block
	// Check looks for what no setting shows alone; nil for nothing. A setting that
	// could not be read, which is reported already, is written and has no value.
	Check func(Values) []Problem
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
	// Required settings have to be written, and lists of them not be empty.
	Required bool
	// Default is what holds where nothing is written, as the getter of the type
	// returns it; nil is its zero value.
	Default any
	// Secret is for a [Text] that nobody may read.
	Secret bool
	// Words are those that a [Text] may be; nil is any text.
	Words []string
	// Least and Most bound a [Number]; a Most of 0 is no bound.
	Least, Most int
	// Check returns what is wrong with a text, or with one of a list, and what to
	// do about it; "" for nothing. What is wrong follows the name of the value, as
	// in "names no host".
	Check func(text string) (wrong, advice string)
	// Example is how a value is written, for those who wrote none: ["./connector"].
	Example string
	// Help says in one sentence what the setting is.
	Help string
}

// Type says what a setting holds, and by which getter of [Values] it is found.
type Type uint8

// The types of settings.
const (
	Text     Type = iota // a text that is not empty
	Texts                // a list of texts
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
	// Warning is for what may be meant so.
	Warning bool
	// Summary says what is wrong, and names the object. Hint says what to do.
	Summary, Hint string
}
