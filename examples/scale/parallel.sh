#!/bin/sh
# Render a manifest in several processes of one machine: parallel.sh MANIFEST [SHARDS]
set -u
manifest=${1:?usage: parallel.sh MANIFEST [SHARDS]}
shards=${2:-2}
seq "$shards" | parallel -q -j "$shards" --line-buffer --tag \
    heygem batch "$manifest" --shard "{}/$shards" --threads 1 --report "$manifest.report-{}-of-$shards.json"
exec heygem batch --merge-reports "$manifest".report-*-of-"$shards".json --report "$manifest.report.json"
