package plan

import (
	"io"
	"runtime"
)

// piece is how many items one goroutine renders at a time.
const piece = 1024

// writeItems writes n items in order, each as item appends it, and renders
// them with all processors meanwhile.
func writeItems(w io.Writer, n int, item func(b []byte, i int) []byte) error {
	ahead := 2 * runtime.GOMAXPROCS(0)
	queue := make(chan chan []byte, ahead)
	spare := make(chan []byte, 2*ahead)
	go func() {
		defer close(queue)
		for from := 0; from < n; from += piece {
			rendered := make(chan []byte, 1)
			queue <- rendered
			go func() {
				var b []byte
				select {
				case b = <-spare:
				default:
				}
				for i := from; i < min(from+piece, n); i++ {
					b = item(b, i)
				}
				rendered <- b
			}()
		}
	}()
	var failed error
	for rendered := range queue {
		b := <-rendered
		if failed == nil {
			_, failed = w.Write(b)
		}
		select {
		case spare <- b[:0]:
		default:
		}
	}
	return failed
}
