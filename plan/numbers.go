package plan

import (
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/number"
)

// Thousands writes an integer with separators between thousands.
func Thousands(n int) string {
	return number.Thousands(n)
}

// Percent writes a part of a whole, rounded to a tenth: "7.5%", "100%", "less than
// 0.1%". Only the whole is 100%.
func Percent(n, of int) string {
	switch {
	case of == 0:
		return "0%"
	case n > 0 && n*1000 < of:
		return "less than 0.1%"
	case n*100%of == 0:
		return strconv.Itoa(n*100/of) + "%"
	}
	tenths := (n*2000 + of) / (2 * of)
	if n < of {
		tenths = min(tenths, 999)
	}
	return strconv.Itoa(tenths/10) + strings.TrimSuffix("."+strconv.Itoa(tenths%10), ".0") + "%"
}

func several(n int, one, many string) string { return number.Count(n, one, many) }
