package stack_test

import (
	"testing"

	"berth/internal/model"
	"berth/internal/state"
)

// A stack's outputs have the secret of the key that it made, also when the answer
// of the call that made it was lost: that key is gone then.
func TestASecretIsThatOfTheKey(t *testing.T) {
	t.Parallel()
	const body = `
Resources:
  Person: {Type: AWS::IAM::User}
  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref Person}}
Outputs:
  Id: {Value: !Ref Key}
  Secret: {Value: !GetAtt Key.SecretAccessKey}
`
	for _, lost := range []bool{false, true} {
		h := newFixture(t)
		if err := h.create("x", body); err != nil {
			t.Fatal(err)
		}
		h.after = func(call string, _ int) error {
			if call != "iam CreateAccessKey" || !lost {
				return nil
			}
			h.after = nil
			h.dead = true
			panic(killed{})
		}
		if s := h.settle("x"); s.Status != model.StackCreateComplete {
			t.Fatalf("%s\n%s", s.Status, h.story("x"))
		}
		if lost && h.after != nil {
			t.Fatalf("no answer was lost: %v", h.calls)
		}
		outputs := map[string]string{}
		for _, o := range h.stack("x").Outputs {
			outputs[o.Key] = o.Value
		}
		keys := state.AccessKeys.All(h.db.View())
		if len(keys) != 1 || keys[0].ID != outputs["Id"] || keys[0].Secret != outputs["Secret"] {
			t.Errorf("lost %t: %v, and the keys are %+v", lost, outputs, keys)
		}
	}
}
