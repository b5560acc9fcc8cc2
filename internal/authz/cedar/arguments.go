package cedar

import (
	"errors"
	"math/big"
	"strconv"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds on arguments that policies are asked about.
const (
	maxDepth  = 32
	maxValues = 10000
	maxNumber = 64 // bytes of the text of a number
)

var errArguments = errors.New("arguments that policies cannot read")

// record turns the arguments of a call, bytes that a decoder accepted, into a
// Cedar record. No arguments are an empty one.
func record(raw []byte) (types.Record, error) {
	if raw == nil {
		return types.NewRecord(nil), nil
	}
	r := reading{left: maxValues}
	v, err := r.value(raw, jsonrpc.ValueOf(raw), 0)
	if err != nil {
		return types.Record{}, err
	}
	rec, ok := v.(types.Record)
	if !ok {
		return types.Record{}, errArguments
	}
	return rec, nil
}

// reading bounds one conversion.
type reading struct{ left int }

// value converts one value. What Cedar has no type for becomes an entity: it is
// there for "has" and equal to nothing else, and every comparison with it is an
// error, which denies. To leave it out would hide it from a forbid.
func (r *reading) value(raw []byte, v jsonrpc.Value, depth int) (types.Value, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return nil, errArguments
	}
	switch v.Kind {
	case jsonrpc.Null:
		return types.NewEntityUID(typeNull, "null"), nil
	case jsonrpc.Bool:
		return types.Boolean(raw[v.Start] == 't'), nil
	case jsonrpc.Number:
		return number(string(v.Raw(raw))), nil
	case jsonrpc.String:
		return types.String(v.Text(raw)), nil
	case jsonrpc.Object:
		return r.object(v.Raw(raw), depth)
	case jsonrpc.Array:
		return r.array(v.Raw(raw), depth)
	}
	return nil, errArguments
}

func (r *reading) object(raw []byte, depth int) (types.Value, error) {
	m := types.RecordMap{}
	it := jsonrpc.Walk(raw)
	for it.Next() {
		v, err := r.value(raw, it.Value, depth+1)
		if err != nil {
			return nil, err
		}
		name := types.String(it.Name.Text(raw))
		if _, twice := m[name]; twice {
			return nil, errArguments
		}
		m[name] = v
	}
	if it.Bad {
		return nil, errArguments
	}
	return types.NewRecord(m), nil
}

func (r *reading) array(raw []byte, depth int) (types.Value, error) {
	var list []types.Value
	it := jsonrpc.Walk(raw)
	for it.Next() {
		v, err := r.value(raw, it.Value, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if it.Bad {
		return nil, errArguments
	}
	return types.NewSet(list...), nil
}

// number is a Long if the number is a whole one of 64 bits, however it is
// written, a Decimal if it has at most four digits after the point, and else an
// entity.
func number(text string) types.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Long(n)
	}
	other := types.NewEntityUID(typeNumber, types.String(text))
	if len(text) > maxNumber {
		return other
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f > 1e19 || f < -1e19 || f != 0 && f < 1e-5 && f > -1e-5 { // an exponent could ask for gigabytes
		return other
	}
	rat, ok := new(big.Rat).SetString(text)
	if !ok {
		return other
	}
	if rat.IsInt() && rat.Num().IsInt64() {
		return types.Long(rat.Num().Int64())
	}
	const decimals = 10000
	if scaled := rat.Mul(rat, big.NewRat(decimals, 1)); scaled.IsInt() && scaled.Num().IsInt64() {
		if d, err := types.NewDecimal(scaled.Num().Int64(), -4); err == nil {
			return d
		}
	}
	return other
}
