# A host's first process: it waits on its lifeline and reaps orphans. A reader
# that dies of a signal from within is replaced, so `kill -9 -1` is survived.
exec 3<&0 </dev/null
echo ready
exec >/dev/null 2>&1
until { cat <&3 & wait "$!"; }; do :; done
