import sys,time

import numpy as np
from fmcompress.kernels import hardware_encoder as k, hardware_timing as h
rng=np.random.default_rng(int(sys.argv[1])); bad=0
for trial in range(int(sys.argv[2])):
    w=int(rng.choice([8,16,32])); n=int(rng.choice([x for x in (8,16,32) if x<=w])); z=int(rng.integers(1,min(6,w-2)+1))
    W=[];ends=[]
    for _ in range(rng.integers(1,5)):
        L=int(rng.integers(1,[4,20,100,400][rng.integers(0,4)]))
        sp=[0,0.2,0.5,0.9,1][rng.integers(0,5)]
        v=rng.integers(0,2**int(rng.integers(1,w+1)),L); 
        if rng.random()<.5: v=np.abs(np.cumsum(rng.integers(-2,3,L)))%(2**w)
        v[rng.random(L)<sp]=0
        if rng.random()<.3: v[-int(rng.integers(1,40)):]=0
        W+=v.tolist(); ends.append(len(W))
    W=np.array(W,np.uint32); ends=np.array(ends,np.int64)
    counts=np.zeros(k.COUNTS,np.int64)
    e32=np.zeros(0,np.uint32); tr=np.zeros((0,49),np.int64)
    (b,_)=k.encode(W,ends,np.ones((3,20*W.size+300),np.uint8),k.ALL_OUT,(w,n,z),0,0,0,(0,)*10,(0,)*25,counts,np.zeros(n,np.int64),np.zeros((2,w+1),np.int64),e32,e32,tr)
    c2=np.zeros(15,np.int64)
    acc,free,out=h.time_encoder(W,ends,(w,n,z),(np.int64(0),np.int64(0)),c2)
    c2[1]+=out-acc
    exp=[b[0],counts[k.CONTROL_WORKS],counts[k.CONTROL_WAITS_PRODUCER],counts[k.CONTROL_WAITS_ZNZ],counts[k.CONTROL_WAITS_BLOCK],counts[k.CONTROL_WAITS_END],counts[k.ZNZ_WORDS],counts[k.BPC_WORDS],counts[k.ZNZ_END],counts[k.BPC_END],counts[k.BLOCKS],counts[k.WORST_CYCLES],counts[k.WORST_BLOCK],counts[k.SLICE_CYCLES]]
    got=[out,c2[0],c2[1],c2[2],c2[3],c2[4],c2[6],c2[7],c2[8],c2[9],c2[11],c2[12],c2[13],c2[14]]
    exp=[int(x) for x in exp]; got=[int(x) for x in got]
    if exp!=got or counts[k.CONTROL_WAITS_PORT]:
        bad+=1
        if bad<6: print((w,n,z),ends.tolist(),W[-20:].tolist()); print(exp); print(got)
print('bad',bad)
