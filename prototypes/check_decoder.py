import sys
sys.path.insert(0,'../shared/vectors')
import numpy as np
from fmcompress.kernels import hardware_decoder as k
from read_vectors import words, cycles, load
def gates(seed,thr,n):
    s=seed; out=np.zeros(n,np.uint8)
    for i in range(n):
        s=(s*1664525+1013904223)&0xffffffff
        out[i]=(s>>24)<thr
    return out
cnt=bad=0
for case in load('../shared/vectors/rtl_vectors.jsonl.gz'):
    w,n,z=case['w'],case['n'],case['lz']
    W=words(case['words'],w); num=np.array(case['tx_lens'],np.int64)
    Z=np.array(words(case['znz'],w),np.uint32); B=np.array(words(case['bpc'],w),np.uint32)
    ze=np.cumsum(case['znz_lens']).astype(np.int64); be=np.cumsum(case['bpc_lens']).astype(np.int64)
    for mode in ('ideal','stallA','stallB'):
        e=case['dec'][mode]; C=e['total']+40
        g=np.stack([gates(*e['gates'][p],C) for p in ('nw','bpc','znz','out')])
        for q in (0,1):
            counts=np.zeros(k.COUNTS,np.int64); pl=np.zeros(w+2,np.int64); bl=np.zeros(n,np.int64)
            tr=np.zeros((C,10),np.int64); out=np.zeros(len(W)+8,np.uint32)
            bt=0
            while bt<len(be) and be[bt]==0: bt+=1
            k.decode(num,Z,ze,B,be,g,k.GATES_END,(w,n,z),0,e['coupled'],q,(0,0,0,0,0,0,0,bt,0,0),(0,)*19,counts,pl,bl,out,tr)
            H=lambda a: np.flatnonzero(tr[:,a]&tr[:,a+1]).tolist()
            ok={'nw':H(0)==cycles(e['nw']),'bpc':H(2)==cycles(e['bpc']),'znz':H(4)==cycles(e['znz']),'out':H(6)==cycles(e['out'])}
            ok['words']=tr[H(6),8].tolist()==W
            ok['last']=np.flatnonzero(tr[H(6),9]).tolist()==(np.cumsum(num)-1).tolist()
            cnt+=1
            if not all(ok.values()):
                bad+=1; print(case['id'],mode,q,e['coupled'],case['tx_lens'],[p for p in ok if not ok[p]])
print(cnt,bad)
