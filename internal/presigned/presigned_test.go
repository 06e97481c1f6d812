package presigned_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"berth/internal/presigned"
)

func TestAnAddressIsReadAsItWasWritten(t *testing.T) {
	want := presigned.Address{
		Bucket: presigned.Responses, Stack: "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1-2", LogicalID: "Res", Act: "4-5",
		Signature: "abc", Expires: time.Unix(1800000000, 0),
	}
	u := want.URL("us-east-1")
	if u != "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/"+
		"arn:aws:cloudformation:us-east-1:123456789012:stack%2Fs%2F1-2%7CRes%7C4-5?Expires=1800000000&Signature=abc" {
		t.Error(u)
	}
	got, ok := presigned.Parse(httptest.NewRequest(http.MethodPut, u, nil), "us-east-1")
	if !ok || got != want {
		t.Errorf("%v, %v", got, ok)
	}
	r := httptest.NewRequest(http.MethodPut, u, nil)
	r.Host += ":443"
	if _, ok := presigned.Parse(r, "us-east-1"); !ok {
		t.Error("a port is no other name")
	}
	if got.Signed("abd") || got.Signed("") || !got.Signed("abc") {
		t.Error("signatures")
	}
	if (presigned.Address{}).Signed("") {
		t.Error("no signature is one")
	}
}

func TestOtherNamesAreNotOurs(t *testing.T) {
	for _, u := range []string{
		"https://cloudformation-custom-resource-response-useast1.s3.eu-west-1.amazonaws.com/a",
		"https://cloudformation-custom-resource-response-euwest1.s3.us-east-1.amazonaws.com/a",
		"https://mine-useast1.s3.us-east-1.amazonaws.com/a", "https://s3.us-east-1.amazonaws.com/a",
	} {
		if _, ok := presigned.Parse(httptest.NewRequest(http.MethodPut, u, nil), "us-east-1"); ok {
			t.Error(u)
		}
	}
	a, ok := presigned.Parse(httptest.NewRequest(http.MethodPut,
		"https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/a?Expires=x", nil), "us-east-1")
	if !ok || a.Stack != "" || !a.Expires.IsZero() {
		t.Errorf("%v, %v", a, ok)
	}
}
