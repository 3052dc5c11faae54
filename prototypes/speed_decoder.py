import sys,time

import numpy as np
from fmcompress.kernels import hardware_decoder as k
from fmcompress.codecs.ebpc import Ebpc
for sp in (0.0,0.4):
    rng=np.random.default_rng(0)
    W=np.clip(np.abs(np.cumsum(rng.integers(-3,4,1_000_000)))%255+1,1,255).astype(np.uint32); W[rng.random(W.size)<sp]=0
    zz,bb=Ebpc().encode(W,8)
    Z=np.frombuffer(zz,np.uint8).astype(np.uint32);B=np.frombuffer(bb,np.uint8).astype(np.uint32)
    num=np.array([W.size],np.int64)
    for thr in (256,128):
        g=(rng.integers(0,256,(4,4_000_000),dtype=np.uint16)<thr).astype(np.uint8)
        for rep in range(4):
            counts=np.zeros(k.COUNTS,np.int64); pl=np.zeros(10,np.int64); bl=np.zeros(8,np.int64)
            tr=np.zeros((0,10),np.int64); out=np.zeros(len(W),np.uint32)
            t=time.perf_counter()
            r,_=k.decode(num,Z,np.array([Z.size]),B,np.array([B.size]),g,k.ALL_OUT,(8,8,4),0,0,0,(0,)*10,(0,)*19,counts,pl,bl,out,tr)
            t=time.perf_counter()-t
        assert (out==W).all()
        print(sp,thr,r[0],W.size/r[0],'Mcycles/s',r[0]/t/1e6)
