// Package protobuf is A2A 1.0 as gRPC carries it: Protocol Buffers in frames of
// five bytes and a message. The JSON form of a2a.proto is what JSON-RPC carries,
// so a request is rewritten as that of JSON-RPC ([Room.Request]) and read by the
// decoder of all others, and an answer is written back ([Room.AppendReply],
// [ReadError]). An agent of gRPC is asked the other way round ([Room.Call],
// [Room.AppendResult], [FaultOf]). Nothing of the protocol is decided here.
//
// A request has one reading or none: before anything is built of its bytes they
// are walked by the definition, in bounded depth and number. Fields that nobody
// defines, fields that come twice, two of a one-of and keys that come twice are
// refused: no JSON says them, or two readers would differ.
package protobuf
