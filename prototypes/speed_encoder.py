import sys,time

import numpy as np
from fmcompress.kernels import hardware_encoder as k
NR=len(k.REGISTERS)
for sp in (0.0,0.4):
    rng=np.random.default_rng(0)
    W=np.clip(np.abs(np.cumsum(rng.integers(-3,4,1_000_000)))%255+1,1,255).astype(np.uint32); W[rng.random(W.size)<sp]=0
    ends=np.array([W.size],np.int64)
    for thr in (256,128):
        C=3_000_000
        g=(rng.integers(0,256,(3,C))<thr).astype(np.uint8)
        w,n,z=8,8,4
        for rep in range(4):
            b=(0,)*10; s=(0,)*25; counts=np.zeros(k.COUNTS,np.int64); d=np.zeros(n,np.int64); pl=np.zeros((2,w+1),np.int64)
            e32=np.zeros(0,np.uint32); tr=np.zeros((0,NR+len(k.SIGNALS)),np.int64)
            t=time.perf_counter()
            r,_=k.encode(W,ends,g,k.ALL_OUT,(w,n,z),0,0,0,b,s,counts,d,pl,e32,e32,tr)
            t=time.perf_counter()-t
        print(sp,thr,r[0],W.size/r[0],'Mcycles/s',r[0]/t/1e6)
