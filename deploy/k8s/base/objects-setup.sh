#!/bin/sh
# Makes the bucket, and the user that Arqade's processes are: who may do with the bucket what they do, and nothing else.
# Root's keys stay with the server. Again is fine: it makes the user's secret and policy what they should be.
#
#   objects-setup.sh HOST:PORT        in the environment: MINIO_ROOT_USER, MINIO_ROOT_PASSWORD, MINIO_ACCESS_KEY,
#                                     MINIO_SECRET_KEY and, if it is not arqade, MINIO_BUCKET
#
# Needs a shell and mc. Secrets are given by the environment and by standard input, so no command line shows them.
set -eu

if [ "$MINIO_ROOT_USER" = "$MINIO_ACCESS_KEY" ]; then
  echo "MINIO_ROOT_USER and MINIO_ACCESS_KEY are the same: name a root user of its own" >&2
  exit 1
fi

bucket=${MINIO_BUCKET:-arqade}
policy=${bucket}-processes
export MC_CONFIG_DIR=/tmp/mc
export MC_HOST_root="http://$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD@$1"

mc ready root
mc mb --ignore-existing "root/$bucket"

# What each action is for: libs/artifacts; the access list and the policy are read to see whether the bucket is open.
printf '%s' '{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "s3:GetBucketLocation",
        "s3:GetBucketPolicy",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads"
      ],
      "Resource": ["arn:aws:s3:::'"$bucket"'"]
    },
    {
      "Effect": "Allow",
      "Action": [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject"
      ],
      "Resource": ["arn:aws:s3:::'"$bucket"'/*"]
    }
  ]
}' > /tmp/policy.json
mc admin policy create root "$policy" /tmp/policy.json

printf '%s\n%s\n' "$MINIO_ACCESS_KEY" "$MINIO_SECRET_KEY" | mc admin user add root
# Attaching what is attached is an error; then the user has it.
mc admin policy attach root "$policy" --user "$MINIO_ACCESS_KEY" ||
  case "$(mc admin user info root "$MINIO_ACCESS_KEY")" in
    *"$policy"*) ;;
    *) exit 1 ;;
  esac
