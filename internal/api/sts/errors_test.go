package sts_test

import (
	"testing"

	"berth/internal/api/apitest"
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	const role = "arn:aws:iam::123456789012:role/"
	w.Must("iam", "CreateRole", apitest.In{
		"RoleName":                 "r",
		"AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	w.Must("iam", "PutRolePolicy", apitest.In{
		"RoleName": "r", "PolicyName": "all",
		"PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	})
	apitest.Errors(t, w, "sts", `
		AssumeRole AccessDenied RoleArn=`+role+`lost RoleSessionName=me
		AssumeRole ValidationError RoleArn=arn:aws:iam::123456789012:user/u RoleSessionName=me
		GetSessionToken AccessDenied as=`+role+`r
	`)
}
