package wire

import (
	"fmt"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
)

var cborEnc = func() cbor.EncMode {
	m, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode()
	if err != nil {
		panic("wire: " + err.Error())
	}
	return m
}()

var cborDec = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DefaultMapType: reflect.TypeFor[map[string]any](), MaxNestedLevels: maxDepth, IntDec: cbor.IntDecConvertNone, TimeTag: cbor.DecTagIgnored,
	}.DecMode()
	if err != nil {
		panic("wire: " + err.Error())
	}
	return m
}()

// cbor decodes an RPC v2 body.
func (f *filler) cbor(s *Shape, in any, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	var tree any
	if err := cborDec.Unmarshal(body, &tree); err != nil {
		return serialization("%v", err)
	}
	return f.typed(f.fill(s, reflect.ValueOf(in), untag(tree), "", ""))
}

// untag takes times out of their tags and gives integers one type.
func untag(x any) any {
	switch t := x.(type) {
	case cbor.Tag:
		return untag(t.Content)
	case map[string]any:
		for k, v := range t {
			t[k] = untag(v)
		}
	case []any:
		for i, v := range t {
			t[i] = untag(v)
		}
	}
	return x
}

func (o *Operation) encodeCBOR(r *Response, out any) error {
	r.Header.Set("smithy-protocol", "rpc-v2-cbor")
	if o.output == "" {
		return nil
	}
	r.Header.Set("Content-Type", "application/cbor")
	b, err := cborEnc.Marshal(tagged(tree(o.Output(), reflect.ValueOf(out))))
	if err != nil {
		return fmt.Errorf("encode %s: %w", o, err)
	}
	r.Body = b
	return nil
}

// tagged puts times into tag 1, as RPC v2 wants them.
func tagged(x any) any {
	switch t := x.(type) {
	case time.Time:
		return cbor.Tag{Number: 1, Content: float64(t.UnixMilli()) / 1000}
	case map[string]any:
		for k, v := range t {
			t[k] = tagged(v)
		}
	case []any:
		for i, v := range t {
			t[i] = tagged(v)
		}
	}
	return x
}
