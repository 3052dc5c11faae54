import sys, json, gzip, time
sys.path.insert(0,'../shared/vectors')
import numpy as np
import importlib.util
spec=importlib.util.spec_from_file_location('he','/work/wt/hardware/kernels/hardware_encoder.py'); k=importlib.util.module_from_spec(spec); spec.loader.exec_module(k)
from read_vectors import words, cycles, load
def gates(seed,thr,n):
    s=seed; out=np.zeros(n,np.uint8)
    for i in range(n):
        s=(s*1664525+1013904223)&0xffffffff
        out[i]=(s>>24)<thr
    return out
bad=0; cnt=0
for case in load('../shared/vectors/rtl_vectors.jsonl.gz'):
    w,n,z=case['w'],case['n'],case['lz']
    W=np.array(words(case['words'],w),np.uint32); ends=np.cumsum(case['tx_lens']).astype(np.int64)
    for mode in ('ideal','stallA','stallB'):
        e=case['enc'][mode]
        C=e['total']+40
        g=np.stack([gates(*e['gates'][p],C) for p in ('in','znz','bpc')])
        for quirks in (0,1):
            s=np.zeros(34,np.int64); counts=np.zeros(k.COUNTS,np.int64); d=np.zeros(n,np.int64); pl=np.zeros((2,w+1),np.int64)
            zo=np.zeros(len(case['znz'])+100,np.uint32); bo=np.zeros(len(case['bpc'])+100,np.uint32)
            tr=np.zeros((C,k.TRACE_COLUMNS),np.int64)
            r=k.encode(W,ends,g,k.UNTIL_GATES_END,(w,n,z),0,e['wait_idle'],quirks,s,counts,d,pl,zo,bo,tr)
            H=lambda a: np.flatnonzero(tr[:,a]&tr[:,a+1]).tolist()
            exp={p:cycles(e[p]) for p in ('in','znz','bpc')}
            got={'in':H(k.IN_VALID),'znz':H(k.ZNZ_VALID),'bpc':H(k.BPC_VALID)}
            idle=tr[:,k.IDLE_SIGNAL]; ed=np.diff(np.concatenate([[0],idle])); got_idle=[int((c+1)*ed[c]) for c in np.flatnonzero(ed)]
            ei=e['idle']; last=max(exp['znz'][-1:]+exp['bpc'][-1:])+32
            got_idle=[x for x in got_idle if abs(x)<=len(tr)]
            done=np.flatnonzero(tr[:,k.DONE_SIGNAL]).tolist()
            ok={p:got[p]==exp[p] for p in exp}
            ok['idle']=got_idle[:len(ei)]==ei
            ok['done']=done[:len(e['done'])]==e['done'] and len([c for c in done if c<=last])==len(e['done'])
            zw=tr[np.flatnonzero(tr[:,k.ZNZ_VALID]&tr[:,k.ZNZ_READY]),k.ZNZ_DATA].tolist()
            bw=tr[np.flatnonzero(tr[:,k.BPC_VALID]&tr[:,k.BPC_READY]),k.BPC_DATA].tolist()
            ok['zw']=zw==words(case['znz'],w); ok['bw']=bw==words(case['bpc'],w)
            zl=np.flatnonzero(tr[got['znz'],k.ZNZ_LAST]).tolist(); bl=np.flatnonzero(tr[got['bpc'],k.BPC_LAST]).tolist()
            ok['zl']=zl==(np.cumsum(case['znz_lens'])-1).tolist(); ok['bl']=bl==sorted(set((np.cumsum(case['bpc_lens'])-1)[np.array(case['bpc_lens'])>0].tolist()))
            act=counts[k.WORKS:].reshape(7,3).sum(1)
            ok['sum']=all(act[1:]==r) and counts[k.WAITS_PRODUCER:k.WORKS+1].sum()==r
            cnt+=1
            if not all(ok.values()):
                bad+=1; print(case['id'],mode,quirks,[p for p in ok if not ok[p]],e.get('status'),case.get('rtl_bug'),case.get('rtl_bug_done'))
print(cnt,bad)
