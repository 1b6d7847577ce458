package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// origin marks values that came from outside of the configuration. What is
// marked is not shown in diagnostics.
type origin uint8

const (
	fromEnv origin = iota
	fromFile
)

// callError is an error of a function of this package. Its texts hold no value
// that is marked.
type callError struct{ summary, hint string }

func (e *callError) Error() string { return e.summary }

// readers are the functions that read from outside.
var readers = map[string]bool{"env": true, "file": true}

// functions are all but the readers' implementations, which belong to a
// directory: see functionsIn.
var functions = map[string]function.Function{
	"env":   envFunc(os.LookupEnv),
	"file":  fileFunc("", func(string) {}, &fileLines{}),
	"lines": linesFunc,

	"endswith":   textTest(strings.HasSuffix, "suffix"),
	"format":     stdlib.FormatFunc,
	"formatlist": stdlib.FormatListFunc,
	"join":       stdlib.JoinFunc,
	"lower":      stdlib.LowerFunc,
	"regex":      stdlib.RegexFunc,
	"regexall":   stdlib.RegexAllFunc,
	"replace":    replaceFunc,
	"split":      stdlib.SplitFunc,
	"startswith": textTest(strings.HasPrefix, "prefix"),
	"substr":     stdlib.SubstrFunc,
	"trim":       stdlib.TrimFunc,
	"trimprefix": stdlib.TrimPrefixFunc,
	"trimspace":  stdlib.TrimSpaceFunc,
	"trimsuffix": stdlib.TrimSuffixFunc,
	"upper":      stdlib.UpperFunc,

	"coalesce":        coalesceFunc,
	"compact":         stdlib.CompactFunc,
	"concat":          stdlib.ConcatFunc,
	"contains":        stdlib.ContainsFunc,
	"distinct":        stdlib.DistinctFunc,
	"element":         stdlib.ElementFunc,
	"flatten":         stdlib.FlattenFunc,
	"keys":            stdlib.KeysFunc,
	"length":          lengthFunc,
	"lookup":          stdlib.LookupFunc,
	"merge":           stdlib.MergeFunc,
	"range":           stdlib.RangeFunc,
	"reverse":         stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc,
	"setsubtract":     stdlib.SetSubtractFunc,
	"setunion":        stdlib.SetUnionFunc,
	"slice":           stdlib.SliceFunc,
	"sort":            stdlib.SortFunc,
	"values":          stdlib.ValuesFunc,
	"zipmap":          stdlib.ZipmapFunc,

	"max": stdlib.MaxFunc,
	"min": stdlib.MinFunc,

	"tobool":   stdlib.MakeToFunc(cty.Bool),
	"tolist":   stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
	"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber": stdlib.MakeToFunc(cty.Number),
	"toset":    stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	"tostring": stdlib.MakeToFunc(cty.String),

	"csvdecode":  stdlib.CSVDecodeFunc,
	"jsondecode": jsonDecodeFunc,
	"jsonencode": stdlib.JSONEncodeFunc,

	"can": tryfunc.CanFunc,
	"try": tryfunc.TryFunc,
}

// functionsIn returns the functions for files of the directory, whose lines are
// noted, and for the environment of a test, or, where that is nil, of the program.
func functionsIn(dir string, used func(path string), read *fileLines, environment func(name string) (string, bool)) map[string]function.Function {
	m := make(map[string]function.Function, len(functions))
	for name, f := range functions {
		m[name] = f
	}
	m["file"] = fileFunc(dir, used, read)
	if environment != nil {
		m["env"] = envFunc(environment)
	}
	return m
}

func functionNames() []string {
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	return names
}

// argument returns the text of a string argument, and what to call it in an
// error.
func argument(v cty.Value) (text, shown string) {
	plain, marks := v.Unmark()
	text = plain.AsString()
	if len(marks) > 0 {
		return text, "of that name"
	}
	return text, fmt.Sprintf("%q", text)
}

func envFunc(lookup func(name string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name, shown := argument(args[0])
			value, ok := lookup(name)
			switch {
			case !ok:
				return cty.NilVal, &callError{"the environment variable " + shown + " is not set",
					"set it for rollcall, or use file() to read the value from a file"}
			case !utf8.ValidString(value):
				return cty.NilVal, &callError{"the environment variable " + shown + " is not text in UTF-8", "set it in UTF-8"}
			}
			return cty.StringVal(value).Mark(fromEnv), nil
		},
	})
}

func fileFunc(dir string, used func(path string), read *fileLines) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, shown := argument(args[0])
			used(settings.Resolve(dir, path))
			text, err := readBounded(settings.Resolve(dir, path), maxFile)
			if err != nil {
				hint := "check its permissions"
				switch {
				case errors.Is(err, fs.ErrNotExist):
					hint = "a relative path begins at the directory of the .hcl file"
				case errors.Is(err, errTooLarge):
					hint = "file() reads at most 16 MiB; split the file"
				case errors.Is(err, errNotRegular):
					hint = "name a file that holds text"
				}
				return cty.NilVal, &callError{fmt.Sprintf("cannot read the file %s: %s", shown, cause(err)), hint}
			}
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
			if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
				return cty.NilVal, &callError{"the file " + shown + " is not text in UTF-8", "save the file as UTF-8"}
			}
			if cut, ok := bytes.CutSuffix(text, []byte("\n")); ok {
				text = bytes.TrimSuffix(cut, []byte("\r"))
			}
			read.add(shown, string(text))
			return cty.StringVal(string(text)).Mark(fromFile), nil
		},
	})
}

var linesFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var list []cty.Value
		for line := range strings.Lines(args[0].AsString()) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				list = append(list, cty.StringVal(line))
			}
		}
		if len(list) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(list), nil
	},
})

// fileLines are the files that were read, to name a line in place of its text.
type fileLines struct {
	files []struct{ shown, text string }
	at    map[string]string // a line -> its name; of the files that were looked through
}

func (l *fileLines) add(shown, text string) {
	l.files = append(l.files, struct{ shown, text string }{shown, text})
}

// name names the line that is text but for the white space around it: line 3 of
// "held.txt", the first one that was read; "" if there is none.
func (l *fileLines) name(text string) string {
	if l.at == nil {
		l.at = map[string]string{}
	}
	for _, f := range l.files {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			line = strings.TrimSpace(line)
			if _, known := l.at[line]; !known && line != "" {
				l.at[line] = fmt.Sprintf("line %d of %s", n, strings.Replace(f.shown, "of that name", "the file", 1))
			}
		}
	}
	l.files = nil
	return l.at[strings.TrimSpace(text)]
}

// jsonDecodeFunc says at which place a text is not JSON, and, of one that may be
// shown, why. What it makes of a marked text is marked as a whole.
var jsonDecodeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		plain, marks := args[0].Unmark()
		text := []byte(plain.AsString())
		var any json.RawMessage // its check bounds the depth of what is parsed
		err := json.Unmarshal(text, &any)
		if err == nil {
			return ctyjson.ImpliedType(text)
		}
		summary, end := "the text is not JSON", len(text)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			end = max(0, min(end, int(syntax.Offset))-1)
		}
		before := text[:end]
		summary += fmt.Sprintf(" at line %d, column %d", 1+bytes.Count(before, []byte("\n")), 1+utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]))
		if len(marks) == 0 {
			summary += ": " + strings.TrimPrefix(err.Error(), "json: ")
		}
		return cty.NilType, &callError{summary, `JSON is as in {"name": ["text", 5, true, null]}`}
	},
	Impl: func(args []cty.Value, of cty.Type) (cty.Value, error) {
		plain, marks := args[0].Unmark()
		value, err := ctyjson.Unmarshal([]byte(plain.AsString()), of)
		return value.WithMarks(marks), err
	},
})

// coalesceFunc passes over empty texts, too.
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		return stdlib.CoalesceFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		for _, v := range args {
			if !v.IsNull() && (v.Type() != cty.String || v.AsString() != "") {
				return convert.Convert(v, want)
			}
		}
		return cty.NilVal, &callError{"every argument of coalesce is null or empty", "end with a value that is always set"}
	},
})

var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		if args[0].Type() == cty.String {
			return cty.Number, nil
		}
		return stdlib.LengthFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.Strlen(args[0])
		}
		return stdlib.Length(args[0])
	},
})

// replaceFunc takes what stands between slashes as a regular expression.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "text", Type: cty.String},
		{Name: "part", Type: cty.String},
		{Name: "replacement", Type: cty.String},
	},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if part := args[1].AsString(); len(part) > 2 && part[0] == '/' && part[len(part)-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(part[1:len(part)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

func textTest(test func(text, part string) bool, part string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: part, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}
